// What a file of Grafana-managed rules must be. Grafana publishes types of its
// alerting interface, not of the files with which it provisions itself: their
// members are the same but for those below.
import type * as alerting from '@grafana/grafana-foundation-sdk/alerting';
import type * as expr from '@grafana/grafana-foundation-sdk/expr';
import type { Json, Source, PrometheusTarget, InfluxTarget } from './model.js';

// Expression is a step over other steps. Conditions and thresholds are not used:
// Grafana 9.4 knows no thresholds.
type Expression<T> = Omit<Json<T>, '_implementsDataqueryVariant' | 'datasource' | 'refId'> & { refId: string; datasource: Source<'__expr__'> };

type Step<Model, UID> = Required<Pick<Json<alerting.Query>, 'refId'>> & {
  datasourceUid: UID; relativeTimeRange: Required<alerting.RelativeTimeRange>; model: Model;
};

// Rule is a rule in a file: folder and group are those around it.
export type Rule = Omit<Json<alerting.Rule>, 'folderUID' | 'orgID' | 'ruleGroup' | 'uid' | 'data'> & {
  uid: string;
  data: (Step<Expression<expr.TypeReduce> | Expression<expr.TypeMath>, '__expr__'> | Step<PrometheusTarget | InfluxTarget, 'haidang'>)[];
};

// RuleFile is a file for provisioning/alerting, as Grafana's documentation of file
// provisioning has it: the interval is a text there, the folder a title.
export type RuleFile = {
  apiVersion: 1;
  groups: { orgId: number; name: string; folder: string; interval: `${number}${'s' | 'm' | 'h'}`; rules: Rule[] }[];
};
