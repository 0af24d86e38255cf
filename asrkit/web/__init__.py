"""A page that hears, shows why, and is taught: `asrkit serve`. It needs the extra `web`."""
