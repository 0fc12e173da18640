"""The running node under a mocked clock: real TLS over memory streams, a simulated disk."""
