"""The section in which places of one CT or MR are found in another."""
