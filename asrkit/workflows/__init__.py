"""What a command does: functions of paths, objects and settings that return results. No argparse, no print."""
