"""Layouts, and what is shown in which view."""
