// The latent that the page is at: the bench moves it, the map shows where it lies, and either hears of the other.
{
  const listeners = new Set();
  globalThis.latentlab ??= {};
  latentlab.view = {
    z: null,
    set: (z, source) => {
      latentlab.view.z = z;
      for (const tell of listeners) tell(z, source);
    },
    on: (tell) => {
      listeners.add(tell);
      return () => listeners.delete(tell);
    },
  };
}
