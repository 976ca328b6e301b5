# Solutions to the exercises of lesson 7. Paste a part into the empty cell of its exercise.

# %% 1 · Fewer columns
# The score is lower, but above the honest one: 20 of 100 columns still fit the test labels best.
few = accuracy(LogisticRegression(), SelectKBest(k=20).fit_transform(numbers[:, :100], reason))

# %% 2 · Known clips and babies
# A clip has two windows, a baby eight, so the baby is known more often. Split by baby, both are 0.
train, test = evaluation.Split("random_frames").k_folds(pieces, n_splits=4, seed=seed)[0][0]
clip_known = np.isin(of_clip[test], of_clip[train]).mean()
baby_known = np.isin(pieces.infants[test], pieces.infants[train]).mean()

# %% 3 · Three programs
# A gives copies other names, B keeps clips together instead of babies, C takes the best test score.
leaks = {"A": 3, "B": 3, "C": 5}

# %% 4 · Babies with several reasons
# Five babies now have all four reasons, and a baby's other clips show what a reason changes in one voice.
mixed = np.mean(learn(8, 5, *make_voices(mostly=0.25)))
