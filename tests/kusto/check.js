// Microsoft's parser and binder over many queries at once.
// Standard input: [{"query": KQL, "tables": {table: {column: Kusto type}}}, …]
// Standard output, one answer a query: {"kind", "columns": {name: type} or null, "problems": ["line:column message", …]}
'use strict';

require('@kusto/language-service-next/bridge.min.js');
require('@kusto/language-service-next/Kusto.Language.Bridge.min.js');

const { KustoCode, GlobalState, Symbols } = globalThis.Kusto.Language;

// The database is built from a schema's text, as the language service's own documentation does it.
function stateOf(tables) {
  const symbols = Object.entries(tables).map(([table, columns]) => {
    const fields = Object.entries(columns).map(([name, type]) => `['${name}']: ${type}`);
    return Symbols.TableSymbol.From(`(${fields.join(', ')})`).WithName(table);
  });
  const database = new Symbols.DatabaseSymbol.$ctor1('workspace', symbols);
  return GlobalState.Default.WithDatabase(database);
}

function placeOf(query, offset) {
  const before = query.slice(0, offset).split('\n');
  return `${before.length}:${before[before.length - 1].length + 1}`;
}

function listed(list) {
  return Array.from({ length: list.Count }, (_, index) => list.getItem(index));
}

function check({ query, tables }) {
  const code = KustoCode.ParseAndAnalyze(query, stateOf(tables));
  const problems = listed(code.GetDiagnostics())
    .filter((each) => each.Severity === 'Error')
    .map((each) => `${placeOf(query, each.Start)} ${each.Message}`);
  const type = code.ResultType;
  const columns = type && type.Columns
    ? Object.fromEntries(listed(type.Columns).map((column) => [column.Name, column.Type.Name]))
    : null;
  return { kind: String(code.Kind), columns, problems };
}

const asked = JSON.parse(require('fs').readFileSync(0, 'utf8'));
process.stdout.write(JSON.stringify(asked.map(check)));
