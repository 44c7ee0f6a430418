// Small plots without axes: how a figure went during the last minute.

/** The lines of a plot that is `width` wide and `height` high: one for each run of values, the newest at the right. */
export function lines(
  values: readonly (number | undefined)[],
  { width, height, count, greatest }: { width: number; height: number; count: number; greatest: number },
): readonly string[] {
  const step = width / (count - 1);
  const left = width - (values.length - 1) * step;
  const runs: string[][] = [[]];
  values.forEach((value, at) => {
    if (value === undefined) {
      runs.push([]);
      return;
    }
    const y = height - (Math.min(value, greatest) / greatest) * height;
    runs.at(-1)!.push(`${short(left + at * step)},${short(y)}`);
  });
  return runs.filter((run) => run.length > 0).map((run) => (run.length > 1 ? run : [...run, ...run]).join(" "));
}

/** The least and the greatest of what is known. Nothing, if nothing is. */
export function range(values: readonly (number | undefined)[]): { least: number; greatest: number } | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : { least: Math.min(...known), greatest: Math.max(...known) };
}

function short(value: number): string {
  return String(Math.round(value * 10) / 10);
}
