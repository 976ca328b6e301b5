# Solutions to the exercises of lesson 2. Paste a part into the empty cell of its exercise.

# %% 1 · Count the outcomes
# By hand you count the rows; the same in code.
alarm, cry = dozen.stripes >= 3.5, dozen.cry
recall = (alarm & cry).sum() / cry.sum()
precision = (alarm & cry).sum() / alarm.sum()

# %% 2 · The area under the curve, pair by pair
# Each row of the comparison is a cry, each column another sound.
cries = known.stripes[known.kind == "cry"].to_numpy()
others = known.stripes[known.kind != "cry"].to_numpy()
share = (cries[:, None] > others).mean()

# %% 3 · One false alarm in a hundred
# The share of false alarms is much smaller than at a threshold of 0.5, and so is the recall.
threshold = np.quantile(known.score[known.kind != "cry"], 0.99)
night_recall = night(threshold)["recall"]
night_precision = night(threshold)["precision"]
