"""What a word model is made of: transitions, mixtures, symbol tables. No paths, no argparse."""
