"""The numbers behind the manager's pages, counted beside the requests: pages read the newest snapshot."""
