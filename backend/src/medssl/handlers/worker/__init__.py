"""The warm worker process: it keeps models loaded and runs one handler after another."""
