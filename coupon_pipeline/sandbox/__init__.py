"""The two services as they really behave, on this machine, for trying, rehearsing and testing."""
