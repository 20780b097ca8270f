// Inside a sandboxed frame there is no storage; Evidently keeps its colours in one.
(() => {
  const kept = new Map();
  const storage = {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => void kept.set(key, String(value)),
    removeItem: (key) => void kept.delete(key),
  };
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  for (const key of ["theme-mode", "mui-mode"]) storage.setItem(key, dark ? "dark" : "light");
  for (const name of ["localStorage", "sessionStorage"]) {
    Object.defineProperty(window, name, { value: storage, configurable: true });
  }
  // The page cannot look into the frame, so the frame says how tall it is.
  addEventListener("DOMContentLoaded", () => {
    const tell = () => parent.postMessage({ height: document.body.scrollHeight }, "*");
    new ResizeObserver(tell).observe(document.body);
  });
})();
