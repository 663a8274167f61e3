"""The only room that reads or writes our data: files, arrays, run folders, lineage, licences, the database."""
