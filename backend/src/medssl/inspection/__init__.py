"""What a model knows, as pure functions: no requests, no drawing."""
