"""One module per API that the broker serves; what is registered is what ApiVersions advertises."""
