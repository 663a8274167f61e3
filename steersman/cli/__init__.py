"""The command line: verbs, options and the error boundary. Nothing heavy is imported before a verb runs."""
