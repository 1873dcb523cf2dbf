"""From next-token log-probabilities to hypotheses: greedy and beam search, with or without a CTC joint score."""
