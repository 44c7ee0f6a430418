// The colours of videos on a page.

import type { Page } from "playwright-core";

/** Red, green and blue, from 0 to 255. */
export type Colour = readonly [red: number, green: number, blue: number];

/**
 * Some colours of what a page shows as the source or the result: of the bars of the test clip, which stand still in its
 * upper right corner, or from everywhere. Nothing, as long as there is no picture.
 */
export function colours(page: Page, which: "source" | "result", where: "bars" | "everywhere" = "bars"): Promise<Colour[] | undefined> {
  return page.evaluate(
    ({ which, where }) => {
      const video = document.querySelector<HTMLVideoElement>(`figure.${which} video`);
      const { videoWidth: width = 0, videoHeight: height = 0, readyState = 0 } = video ?? {};
      if (!video || width === 0 || readyState < 2) return undefined;
      const context = Object.assign(document.createElement("canvas"), { width, height }).getContext("2d")!;
      context.drawImage(video, 0, 0, width, height);
      const unit = height / 360;
      const bars = Array.from({ length: 8 }, (_, bar) => [width - (8 - bar) * 18 * unit - 7 * unit, 33 * unit]);
      const all = Array.from({ length: 100 }, (_, at) => [((at % 10) + 0.5) * (width / 10), (Math.floor(at / 10) + 0.5) * (height / 10)]);
      return (where === "bars" ? bars : all).map(([x = 0, y = 0]): [number, number, number] => {
        const [red = 0, green = 0, blue = 0] = context.getImageData(x, y, 1, 1).data;
        return [red, green, blue];
      });
    },
    { which, where },
  );
}

/** How far colours are apart, on average and of 255. */
export function distance(some: readonly Colour[], others: readonly Colour[]): number {
  if (some.length === 0 || some.length !== others.length) return Infinity;
  const flat = others.flat();
  return some.flat().reduce((sum, part, at) => sum + Math.abs(part - (flat[at] ?? 0)), 0) / flat.length;
}

export function mean(all: readonly Colour[] = []): Colour {
  const part = (at: 0 | 1 | 2) => all.reduce((sum, colour) => sum + colour[at], 0) / Math.max(1, all.length);
  return [part(0), part(1), part(2)];
}

/** How colourful they are: how far red, green and blue are apart in the most colourful tenth of them. */
export function spread(all: readonly Colour[] = []): number {
  const spreads = all.map((colour) => Math.max(...colour) - Math.min(...colour)).sort((one, other) => other - one);
  return spreads[Math.floor(spreads.length / 10)] ?? 0;
}
