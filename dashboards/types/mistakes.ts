// Mistakes that the types must find: a line that expects an error is itself an
// error where there is none.
import type { AnyPanel } from './model.js';
import type { Rule } from './alerting.js';
import type { Playlist } from '@grafana/grafana-foundation-sdk/playlistv1';

const source = { type: 'prometheus', uid: 'haidang' } as const;
const target = { refId: 'A', datasource: source, expr: 'up' };
const options = { reduceOptions: { values: false, calcs: ['lastNotNull' as const] } };

export const panels = [
  // No mistake: this is well.
  { type: 'gauge', options, targets: [target], fieldConfig: { defaults: { unit: 'celsius' }, overrides: [{ matcher: { id: 'byName', options: 'x' }, properties: [{ id: 'unit', value: 'suffix:m' }] }] } } satisfies AnyPanel,
  // @ts-expect-error: a unit is a text
  { type: 'gauge', options: {}, fieldConfig: { defaults: { unit: 5 }, overrides: [] } } satisfies AnyPanel,
  // @ts-expect-error: Grafana has no such unit
  { type: 'gauge', options: {}, fieldConfig: { defaults: { unit: 'celcius' }, overrides: [] } } satisfies AnyPanel,
  // @ts-expect-error: nor in an override
  { type: 'gauge', options: {}, fieldConfig: { defaults: {}, overrides: [{ matcher: { id: 'byName' }, properties: [{ id: 'unit', value: 'celcius' }] }] } } satisfies AnyPanel,
  // @ts-expect-error: nor such a reducer
  { type: 'gauge', options: { reduceOptions: { values: false, calcs: ['latest'] } } } satisfies AnyPanel,
  // @ts-expect-error: a question without a name
  { type: 'gauge', options, targets: [{ datasource: source, expr: 'up' }] } satisfies AnyPanel,
  // @ts-expect-error: a question in the other language
  { type: 'gauge', options, targets: [{ refId: 'A', datasource: source, query: 'SELECT 1' }] } satisfies AnyPanel,
  // @ts-expect-error: no panel of Grafana's
  { type: 'graph', options: {} } satisfies AnyPanel,
];

const math = { type: 'math', refId: 'C', expression: '$B > 1', datasource: { type: '__expr__', uid: '__expr__' } } as const;
const range = { from: 600, to: 0 };
const rule = { uid: 'u', title: 't', condition: 'C', for: '5m', noDataState: 'OK', execErrState: 'Error', data: [] } as const;

export const rules = [
  // No mistake: these are well.
  { ...rule, data: [{ refId: 'C', datasourceUid: '__expr__', relativeTimeRange: range, model: math }, { refId: 'A', datasourceUid: 'haidang', relativeTimeRange: range, model: target }] } satisfies Rule,
  // @ts-expect-error: Grafana has no such reducer
  { ...rule, data: [{ refId: 'B', datasourceUid: '__expr__', relativeTimeRange: range, model: { ...math, type: 'reduce', reducer: 'latest' } }] } satisfies Rule,
  // @ts-expect-error: nor such an expression
  { ...rule, data: [{ refId: 'B', datasourceUid: '__expr__', relativeTimeRange: range, model: { ...math, type: 'maths' } }] } satisfies Rule,
  // @ts-expect-error: a step without a name
  { ...rule, data: [{ datasourceUid: '__expr__', relativeTimeRange: range, model: math }] } satisfies Rule,
  // @ts-expect-error: a time range without an end
  { ...rule, data: [{ refId: 'C', datasourceUid: '__expr__', relativeTimeRange: { from: 600 }, model: math }] } satisfies Rule,
  // @ts-expect-error: a data source's question is no expression
  { ...rule, data: [{ refId: 'A', datasourceUid: '__expr__', relativeTimeRange: range, model: target }] } satisfies Rule,
  // @ts-expect-error: a state that Grafana does not know
  { ...rule, noDataState: 'Ok' } satisfies Rule,
  // @ts-expect-error: labels are texts
  { ...rule, labels: { severity: 3 } } satisfies Rule,
  // @ts-expect-error: a member that no rule has
  { ...rule, mute_time_intervals: ['night'] } satisfies Rule,
];

// @ts-expect-error: boards are named by their uid
export const playlist = { title: 't', interval: '30s', items: [{ type: 'dashboard_uid', value: 'x' }] } satisfies Playlist;
