"""One file per verb: the only place where stages, backends, sources and the store meet."""
