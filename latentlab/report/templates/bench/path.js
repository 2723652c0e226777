// From one latent to another: the line, and the arc round the middle of the latents.
globalThis.latentlab ??= {};
latentlab.bench ??= {};
{
  // Below this sine of the angle two ends are parallel or opposite as far as float32 latents can tell.
  const TINY = 1e-7;
  const dot = (a, b) => a.reduce((sum, value, k) => sum + value * b[k], 0);
  const norm = (a) => Math.sqrt(dot(a, a));
  const scaled = (a, factor) => a.map((value) => value * factor);
  // What of `a` is across the unit vector `u`.
  const across = (a, u) => {
    const along = dot(a, u);
    return a.map((value, k) => value - along * u[k]);
  };

  const line = (a, b) => (t) => Float64Array.from(a, (value, k) => (1 - t) * value + t * b[k]);

  const slerp = (a, b, center) => {
    const from = Float64Array.from(a, (value, k) => value - center[k]);
    const to = Float64Array.from(b, (value, k) => value - center[k]);
    const [first, last] = [norm(from), norm(to)];
    if (Math.min(first, last) <= TINY * Math.max(first, last, TINY)) return line(a, b);
    const u = scaled(from, 1 / first);
    const v = scaled(to, 1 / last);
    const apart = norm(u.map((value, k) => value - v[k]));
    const omega = 2 * Math.atan2(apart, norm(u.map((value, k) => value + v[k])));
    let side = across(v, u);
    if (norm(side) < TINY) {
      if (omega < 1) return line(a, b);
      // Opposite ends: round by the axis that is most nearly across.
      const least = u.reduce((best, value, k) => (Math.abs(value) < Math.abs(u[best]) ? k : best), 0);
      side = across(Float64Array.from(u, (_, k) => Number(k === least)), u);
      if (norm(side) < TINY) return line(a, b);
    }
    side = across(scaled(side, 1 / norm(side)), u);
    side = scaled(side, 1 / norm(side));
    return (t) => {
      const [cosine, sine, length] = [Math.cos(t * omega), Math.sin(t * omega), (1 - t) * first + t * last];
      return u.map((value, k) => center[k] + length * (cosine * value + sine * side[k]));
    };
  };

  globalThis.latentlab ??= {};
  latentlab.bench ??= {};
  latentlab.bench.PATHS = { line, slerp };
}
