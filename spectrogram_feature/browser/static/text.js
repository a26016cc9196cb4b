// Numbers and times as text.

/** 0.714 → "71 %", with a narrow no-break space. */
export const percent = (share) => `${Math.round(100 * share)}\u202f%`;

/** 185 → "3:05", 3725 → "1:02:05". */
export function clock(seconds) {
  const whole = Math.floor(seconds);
  const two = (number) => String(number).padStart(2, "0");
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/** 185 → "3 minutes 5 seconds", for screen readers. */
export function spoken(seconds) {
  const [minutes, rest] = [Math.floor(seconds / 60), Math.floor(seconds % 60)];
  const plural = (number, unit) => `${number} ${unit}${number === 1 ? "" : "s"}`;
  return minutes
    ? `${plural(minutes, "minute")} ${plural(rest, "second")}`
    : plural(rest, "second");
}

/** How many of the segments have the same most probable genre as the recording. */
export const agreement = (agreeing, total) =>
  total === 1 ? "Only one segment is scored" : `${agreeing} of ${total} segments agree`;
