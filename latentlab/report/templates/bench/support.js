// How unusual a latent is, and what the readouts say of it: the same numbers as in Python.
globalThis.latentlab ??= {};
latentlab.bench ??= {};
{
  const bench = latentlab.bench;

  // L with Σ = LLᵀ, row by row, from the lower triangle of Σ.
  const factor = (triangle, size) => {
    const lower = new Float64Array(triangle);
    const at = (i, j) => (i * (i + 1)) / 2 + j;
    for (let i = 0; i < size; i++) {
      for (let j = 0; j <= i; j++) {
        let sum = lower[at(i, j)];
        for (let k = 0; k < j; k++) sum -= lower[at(i, k)] * lower[at(j, k)];
        lower[at(i, j)] = i === j ? Math.sqrt(sum) : sum / lower[at(j, j)];
      }
    }
    return lower;
  };

  bench.measure = ({ alive, center, triangle, distances, known }) => {
    const lower = factor(triangle, alive.length);
    // √((z − c)ᵀ Σ⁻¹ (z − c)): forward substitution, then the length.
    const distance = (z) => {
      const solved = new Float64Array(alive.length);
      let squared = 0;
      let at = 0;
      for (let i = 0; i < alive.length; i++) {
        let rest = z[alive[i]] - center[alive[i]];
        for (let k = 0; k < i; k++) rest -= lower[at++] * solved[k];
        solved[i] = rest / lower[at++];
        squared += solved[i] ** 2;
      }
      return Math.sqrt(squared);
    };
    // The share of the data that lie closer to their mean.
    const percentile = (z) => {
      const far = distance(z);
      let [low, high] = [0, distances.length];
      while (low < high) {
        const middle = (low + high) >> 1;
        if (distances[middle] < far) low = middle + 1;
        else high = middle;
      }
      return (100 * low) / distances.length;
    };
    return { distance, percentile, known };
  };

  // What the readout of an attribute makes of a latent: the probability of "with".
  bench.probability = (axis, z) => {
    let logit = axis.intercept;
    axis.readout.forEach((weight, k) => (logit += weight * z[k]));
    return 1 / (1 + Math.exp(-logit));
  };

  bench.percent = (share) => {
    if (share < 0.005) return "< 1 %";
    if (share > 0.995) return "> 99 %";
    return `${Math.round(100 * share)} %`;
  };
}
