# The systems of the table, for run.sh and seeds.sh: names, and the options of `asrkit mixgop train`.
#
# The paper's mixtures, and smaller ones, one of them with the paper's baselines beside it; one token a phone, the mean of its frames.
# The last is what local/settings.sh finds best on training speakers: all frames with their place in the phone, typical speakers alone.
systems="full32 full1 diag32 lda8 placed32"
settings() {
  case "$1" in
    full32) echo "--pooling mean --num-gauss 32 --covariance full" ;;
    full1) echo "--pooling mean --num-gauss 1 --covariance full --baselines all" ;;
    diag32) echo "--pooling mean --num-gauss 32 --covariance diag --max-tokens 100000" ;;
    lda8) echo "--pooling mean --num-gauss 8 --covariance diag --max-tokens 100000 --lda-dim 36" ;;
    placed32) echo "--pooling placed --num-gauss 32 --covariance diag --max-tokens 8000 --min-speaker-rating 1.8" ;;
  esac
}
