// Buttons of pages without another script: print the page, copy a link.
document.getElementById("print")?.addEventListener("click", () => print());
document.getElementById("copy")?.addEventListener("click", async ({ target }) => {
  const link = document.getElementById("link");
  link.select(); // for a browser that refuses the clipboard
  await navigator.clipboard.writeText(link.value);
  target.textContent = "Copied";
});
