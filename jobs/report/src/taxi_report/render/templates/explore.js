(() => {
  const unpack = async (id) => {
    const packed = atob(document.getElementById(id).textContent.trim());
    const bytes = Uint8Array.from(packed, (one) => one.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return JSON.parse(await new Response(stream).text());
  };
  let shared;
  const open = async (button) => {
    const place = document.getElementById(button.getAttribute("aria-controls"));
    const shown = button.getAttribute("aria-expanded") === "true";
    button.setAttribute("aria-expanded", String(!shown));
    place.hidden = shown;
    if (place.firstChild) return;
    const status = document.createElement("p");
    status.textContent = "Opening…";
    place.append(status);
    try {
      shared ??= unpack("explore-shared");
      const [font, program] = await shared;
      const [first, second, third] = await unpack(button.dataset.parts);
      const frame = document.createElement("iframe");
      frame.setAttribute("sandbox", "allow-scripts");
      frame.title = button.dataset.title;
      frame.srcdoc = first + font + second + program + third;
      status.replaceWith(frame);
    } catch (error) {
      status.textContent = `This browser cannot open it (${error}); a current one can.`;
    }
  };
  addEventListener("message", (event) => {
    const frame = [...document.querySelectorAll("iframe")].find(
      (one) => one.contentWindow === event.source,
    );
    const height = Number(event.data && event.data.height);
    if (frame && height > 0) frame.style.height = `${Math.min(height + 24, 20000)}px`;
  });
  for (const button of document.querySelectorAll("button[data-parts]")) {
    button.hidden = false;
    button.addEventListener("click", () => void open(button));
  }
})();
