# Solutions to the exercises of notebook 06. Paste a part into the empty cell of its exercise.

# %% 1 · In every comparison?
# One comparison that is not won refutes "every". The others may be won by chance.
by_state = {m: evaluation.per_class(tables[m, "leak_free"])[["f1", "recall"]] for m in colours}
wins = sum((by_state["full"] > by_state[rival]).to_numpy().sum() for rival in build)

# %% 2 · A face without information
# The mean trusts both models equally, so macro F1 falls below that of the sound alone.
rng = np.random.default_rng(seed)
misled = fuse(sound, evaluation.with_scores(face, rng.permutation(face[P].to_numpy())))
