// Every text that is seen and whose contrast to its background is less than WCAG asks for.
() => {
  const channels = (colour) => (colour.match(/[\d.]+/g) || []).map(Number);
  const over = (top, under) => {
    const alpha = top.length > 3 ? top[3] : 1;
    return [0, 1, 2].map((k) => alpha * top[k] + (1 - alpha) * under[k]);
  };
  const luminance = (colour) => {
    const [r, g, b] = colour.map((value) => value / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const background = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) layers.unshift(channels(getComputedStyle(at).backgroundColor));
    return layers.reduce((under, top) => (top.length ? over(top, under) : under), [255, 255, 255]);
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const text = [...element.childNodes].filter((node) => node.nodeType === 3).map((node) => node.data.trim()).join(" ").trim();
    const style = getComputedStyle(element);
    if (!text || !element.checkVisibility({ visibilityProperty: true, opacityProperty: true }) || element.closest(".unseen, .skip, meter")) continue;
    const behind = background(element);
    const [high, low] = [luminance(over(channels(style.color), behind)), luminance(behind)].sort((a, b) => b - a);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const ratio = (high + 0.05) / (low + 0.05);
    if (ratio < (large ? 3 : 4.5)) found.push(`${element.tagName}.${element.className}: ${text.slice(0, 40)} ${ratio.toFixed(2)}`);
  }
  return found;
}
