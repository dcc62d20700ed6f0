"""Clusters of points that come from several sources: which of them belong together, and which points are in each.

The loss of a phase falls to its lowest as n grows, and SGD stays at the lowest, so that one phase may make several
clusters by density. Two are apart only if the same posterior, or SGD, is seen in both with a valley between:
along the line that separates them best, its density falls to `VALLEY` of either peak or less. Two that are never seen
together are apart if they are further than `LINK` from one another. Any point belongs with the nearest that is in a
cluster, if that is no further than members of the cluster are from one another.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import scipy.stats
from scipy.spatial import cKDTree

from slt.records.base import Array

SMALLEST = 0.05  # share of the sample that makes a cluster, and of a posterior that is seen in it
NEIGHBORS = 15  # neighbors whose distance measures the density at a point
FEWEST = 60  # points in the sample: fewer are one phase
VALLEY = 0.3  # of the lower peak: a density that falls to it separates two clusters
LINK = 0.5  # standardized distance of clusters never seen together, up to which they are one
_TOUCHING = 0.1  # quantile of distances from the smaller cluster's points to the other: how far it is
_SEEN = 10  # points at least of a posterior that is seen in a cluster
_REACH = 0.99  # quantile, over a cluster, of the distance that is within reach of it


def find(sample: Array, source: Array) -> Array:
    """(point,) cluster of each point of the sample, -1 for none.

    Args:
      sample: (point, feature) standardized.
      source: (point,) which posterior a point is of; SGD is one more.
    """
    return _joined(sample, _dense(sample), source)


def _dense(sample: Array) -> Array:
    """(point,) cluster of each point of the sample, -1 for none; one cluster of all where there are no two."""
    one = np.zeros(len(sample), int)
    if len(sample) < FEWEST or not np.ptp(sample, axis=0).any():
        return one
    from sklearn.cluster import HDBSCAN  # takes most of a second, and most models name their phases

    size = int(SMALLEST * len(sample)) + 1
    found = HDBSCAN(min_cluster_size=size, min_samples=NEIGHBORS, copy=True).fit(sample).labels_
    return found if found.max() >= 1 else one


def _joined(sample: Array, clusters: Array, source: Array) -> Array:
    """The clusters, with those that nothing separates merged, the nearest first; the module's docstring has the rule.

    Args:
      sample: (point, feature); clusters: (point,) from `_dense`.
      source: (point,) which sample size a point is of; SGD is one more.
    """
    trees = [cKDTree(sample[clusters == cluster]) for cluster in range(clusters.max(initial=-1) + 1)]
    if len(trees) < 2:
        return clusters
    distances = np.stack([tree.query(sample)[0] for tree in trees])
    owner, phase = (
        np.argmin(distances, axis=0),
        np.arange(len(trees)),
    )  # points of no cluster fill valleys too
    pairs = []
    for pair in combinations(range(len(trees)), 2):
        few, many = sorted(pair, key=lambda cluster: trees[cluster].n)
        pairs.append((float(np.quantile(distances[many][clusters == few], _TOUCHING)), *pair))
    for distance, a, b in sorted(pairs):
        if phase[a] != phase[b]:
            side = np.where(phase[owner] == phase[a], -1, np.where(phase[owner] == phase[b], 1, 0))
            separated = [
                _separated(sample[rows], side[rows]) for rows in (source == s for s in np.unique(source))
            ]
            seen = [one for one in separated if one is not None]
            if not any(seen) and (seen or distance <= LINK):
                phase[phase == phase[b]] = phase[a]
    phase = np.unique(phase, return_inverse=True)[1]
    return np.where(clusters >= 0, phase[clusters], -1)


def _separated(points: Array, side: Array) -> bool | None:
    """Whether the density of one source has a valley between two clusters, sides -1 and 1 of `points` (0: neither).

    None where the source is not seen in both.
    """
    points, side, total = points[side != 0], side[side != 0], len(side)
    least = max(SMALLEST * total, _SEEN)
    if min(np.sum(side < 0), np.sum(side > 0)) < least:
        return None
    below, above = points[side < 0], points[side > 0]
    spread = np.cov(below.T) + np.cov(above.T) + 1e-6 * np.eye(points.shape[1])
    line = points @ np.linalg.solve(np.atleast_2d(spread), above.mean(axis=0) - below.mean(axis=0))
    low, high = np.median(line[side < 0]), np.median(line[side > 0])
    grid = np.linspace(low, high, 200)
    width = max(float(np.std(line)) * len(line) ** -0.2, 1e-3 * abs(high - low))  # Scott's rule
    density = scipy.stats.norm.pdf((grid[:, None] - line) / width).mean(axis=1)
    valley = int(np.argmin(density))
    if min(np.sum(line < grid[valley]), np.sum(line > grid[valley])) < least:
        return False
    return bool(density[valley] <= VALLEY * min(density[: valley + 1].max(), density[valley:].max()))


def nearest(sample: Array, clusters: Array, points: Array) -> Array:
    """(point,) the cluster of the nearest point of the sample that has one, or -1 where that is out of reach."""
    if not (clusters >= 0).any():
        return np.full(len(points), -1)
    sample, clusters = sample[clusters >= 0], clusters[clusters >= 0]
    reach = np.zeros(clusters.max() + 1)
    for cluster in range(len(reach)):
        members = sample[clusters == cluster]
        distance, _ = cKDTree(members).query(members, k=[min(NEIGHBORS, len(members))])
        reach[cluster] = np.quantile(distance, _REACH)
    distance, nearest = cKDTree(sample).query(points)
    found = clusters[nearest]
    return np.where(distance <= reach[found] + 1e-9, found, -1)
