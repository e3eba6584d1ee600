"""From key stores and trust stores to a context of the ssl module: what brokers' and clients' ssl.* properties say."""
