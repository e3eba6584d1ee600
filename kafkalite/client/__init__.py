"""The small client of the admin tools and the tests."""
