import { describe, expect, test } from "bun:test";
import { formulaName, str2sec, timeText } from "../../src/migrate/times.ts";

describe("times as fail2ban reads them", () => {
  const cases: readonly (readonly [string, number | undefined])[] = [
    ["600", 600],
    ["1d12h", 129600],
    ["10m", 600],
    ["1h30", 3630],
    ["1.5h", 5400],
    ["1mo", 2629800],
    ["1y", 31557600],
    ["5 weeks", 3024000],
    ["1 hour 30 minutes", 5400],
    ["10*60", 600],
    ["-1", -1],
    ["1h -10m", 3000],
    ["1year-6mo", 15778800],
    ["(1h + 10m) * 2", 8400],
    ["bogus", undefined],
    ["1h # one hour", undefined],
    ["", undefined],
    ["1h)", undefined],
  ];
  for (const [text, seconds] of cases)
    test(JSON.stringify(text), () => expect(str2sec(text)).toBe(seconds as number));
  test("a negative bantime is for ever, a negative findtime is none", () => {
    expect(timeText("-1", true)).toBe("forever");
    expect(timeText("-1", false)).toBeUndefined();
    expect(timeText("90m", false)).toBe("1h 30m");
  });
  test("the formulas that everybody has are known by name, a program is none of ours", () => {
    expect(formulaName("ban.Time * (1<<(ban.Count if ban.Count<20 else 20)) * banFactor")).toBe("double");
    expect(formulaName("ban.Time * math.exp(float(ban.Count+1)*banFactor)/math.exp(1*banFactor)")).toBe(
      "exponential",
    );
    expect(formulaName("ban.Time * math.exp(ban.Count)")).toBeUndefined();
  });
});
