"""The annotation site: pages for people, a JSON API for programs, one transaction per call."""
