# Sourced by run.sh: Kaldi's sorting order, and the asrkit command (of this checkout where it is not installed).
export LC_ALL=C
export PYTHONUNBUFFERED=1
if ! command -v asrkit >/dev/null; then
  echo "path.sh: asrkit is not installed; run 'pip install -e .' in the top folder first" >&2
  return 1
fi
