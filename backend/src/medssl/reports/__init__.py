"""HTML reports: evaluations, landmarks, cross tables."""
