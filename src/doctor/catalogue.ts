// Every finding that f2b doctor can make, by its id: how bad it is, what it is about, why it matters and how it is mended. Ids are
// stable and never used again; a finding that is not made any more keeps its line here as long as people may ask for it.

import type { Severity } from "./index.ts";
import { enforcementRules } from "./rules/enforcement.ts";
import { filterRules } from "./rules/filters.ts";
import { lockoutRules } from "./rules/lockout.ts";
import { notificationRules } from "./rules/notifications.ts";
import { policyRules } from "./rules/policy.ts";
import { securityRules } from "./rules/security.ts";
import { sourceRules } from "./rules/sources.ts";
import { syntaxRules } from "./rules/syntax.ts";
import { systemRules } from "./rules/system.ts";

export interface Rule {
  readonly severity: Severity;
  /** What is so, in general; a finding says which file, jail or value. */
  readonly title: string;
  readonly why: string;
  readonly fix: string;
  /** How it looks, where one line of configuration shows it. */
  readonly bad?: string;
  readonly good?: string;
}

/** The hundreds, in the order in which findings are shown. */
export const groups: Readonly<Record<string, string>> = {
  "0": "Files and syntax",
  "1": "Settings",
  "2": "Filters",
  "3": "Logs",
  "4": "Firewall and daemon",
  "5": "Lockout",
  "6": "Security",
  "7": "System",
  "8": "Notifications",
};

export const catalogue = {
  ...syntaxRules,
  ...policyRules,
  ...filterRules,
  ...sourceRules,
  ...enforcementRules,
  ...lockoutRules,
  ...securityRules,
  ...systemRules,
  ...notificationRules,
} as const satisfies Readonly<Record<string, Rule>>;

export type Id = keyof typeof catalogue;
