"""The HTTP server over one home folder; imports neither torch nor SimpleITK."""

ALREADY_RUNS = 75  # exit status of a server whose home folder has one; Python and the systems give none like it
