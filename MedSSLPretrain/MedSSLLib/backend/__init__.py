"""The backend process, its environment, and Qt's transport to it."""
