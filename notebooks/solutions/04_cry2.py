# Solutions to the exercises of notebook 04. Paste a part into the empty cell of its exercise.

# %% 1 · The filter, turned
# Much less than before: the patch has a bright row, not a bright column.
turned = (patch * stripes.T).sum()

# %% 2 · The first window alone
# Near the score of all windows, which differs between machines.
starts = np.unique(heard.clip, return_index=True)[1]  # the first window of each clip
starts = starts[np.isin(heard.clip[starts], test)]
says = by_hand.predict(heard.x[starts], verbose=0).argmax(axis=1)
first_windows = balanced_accuracy_score(y[starts], says)

# %% 3 · Precision and share
# 6 %, like the precision: the answer adds nothing.
discomfort_share = 135 / 2245
