"""Where the items of an ordered map run, if not in processes of this machine."""
