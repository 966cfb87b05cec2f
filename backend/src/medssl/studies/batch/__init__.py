"""A batch: any list of jobs, unattended, with one table of what ran."""
