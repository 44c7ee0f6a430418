// Whether a number can be what a field asks for.

import type { NumberField } from "@dispatch/client";

export type Bounds = Pick<NumberField, "min" | "max" | "step" | "unit">;

/** What was typed: a number that is allowed, or why it is none. */
export type Checked = { readonly value: number } | { readonly problem: string };

/** Reads what was typed. */
export function check(text: string, bounds: Bounds): Checked {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value)) return { problem: "Enter a number." };
  const { min, max, step } = bounds;
  if (min !== undefined && value < min) return { problem: `Enter ${withUnit(min, bounds)} or more.` };
  if (max !== undefined && value > max) return { problem: `Enter ${withUnit(max, bounds)} or less.` };
  if (step !== undefined && step > 0) {
    const base = min ?? 0;
    const steps = (value - base) / step;
    // As far as floats can say.
    if (Math.abs(steps - Math.round(steps)) > 1e-6) {
      const [below, above] = [Math.floor(steps), Math.ceil(steps)].map((count) => tidy(base + count * step));
      const fits = max === undefined || above! <= max ? `${below} or ${withUnit(above!, bounds)}` : `${below}`;
      return { problem: `Enter ${fits}: it goes in steps of ${step}.` };
    }
  }
  return { value };
}

/** What is allowed, in words; empty if everything is. */
export function allowed({ min, max, unit }: Bounds): string {
  const of = unit === undefined ? "" : ` ${unit}`;
  if (min !== undefined && max !== undefined) return `From ${min} to ${max}${of}.`;
  if (min !== undefined) return `${min}${of} or more.`;
  return max === undefined ? "" : `${max}${of} or less.`;
}

function withUnit(value: number, { unit }: Bounds): string {
  return unit === undefined ? `${value}` : `${value} ${unit}`;
}

/** Without what floats add to the end of a sum. */
function tidy(value: number): number {
  return Number(value.toPrecision(12));
}
