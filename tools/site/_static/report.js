// What the pages of notebooks add to a plain page: all code at once, and figures in their own size.
document.addEventListener("DOMContentLoaded", () => {
  addCodeButton([...document.querySelectorAll("div.cell details.hide.above-input")]);
  document.querySelectorAll("figure img, .cell_output img[src*='_images/']").forEach(linkToFigure);
});

function addCodeButton(cells) {
  const find = (selector) => document.querySelector(`article ${selector}`);
  const title = find("h1 + blockquote") || find("h1");
  if (!cells.length || !title) return;
  const button = document.createElement("button");
  button.className = "show-all-code btn btn-outline-primary btn-sm";
  const allOpen = () => cells.every((cell) => cell.open);
  const label = () => (button.textContent = allOpen() ? "Hide all code" : "Show all code");
  button.addEventListener("click", () => {
    const open = !allOpen();
    cells.forEach((cell) => (cell.open = open));
    label();
  });
  cells.forEach((cell) => cell.addEventListener("toggle", label));
  label();
  title.after(button);
}

function linkToFigure(figure) {
  const link = document.createElement("a");
  link.className = "figure-link";
  link.href = figure.src;
  link.title = "Open the figure in its own size";
  figure.replaceWith(link);
  link.append(figure);
}
