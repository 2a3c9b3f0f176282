//! `clinch-operator attributes`: which attributes of a person a Clinch account takes.

use anyhow::Context as _;
use serde::Serialize;

use super::{
    super::{
        ExitCode, messages, print_result,
        text::{self, count_of, wrapped},
    },
    args::{ClusterArgs, ListArgs, StateArgs},
    cluster::Objects,
    found::Found,
    kinds::Target,
    stored,
};
use crate::{
    api::{ContractAttribute, ContractStatus},
    cluster::Kind,
};

/// Lists the attributes of a person that a Clinch account takes: what a mapping can fill.
///
/// They are those of the OpenAPI document that the account publishes, as its integration read them last.
/// An account without such a document has the documented attributes, and may take others.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:\n  clinch-operator attributes clinch -n talent\n  \
                             clinch-operator attributes -A\n  \
                             clinch-operator attributes clinch --state .clinch-state -o name")]
pub struct Args {
    /// The integration. Default: all.
    #[arg(value_name = "INTEGRATION")]
    target: Option<Target>,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    list: ListArgs,
    #[command(flatten)]
    place: StateArgs,
    /// Format of the result on standard output.
    #[arg(short = 'o', long, value_enum, default_value = "table")]
    output: Output,
}

impl Args {
    /// Whether the result is JSON.
    pub(in crate::cli) fn prints_json(&self) -> bool {
        self.output == Output::Json
    }
}

/// How the result is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// For people.
    Table,
    /// A JSON list of integrations.
    Json,
    /// The same as YAML.
    Yaml,
    /// The names of the attributes, one a line.
    Name,
}

/// An integration and what its account takes. Its members are API.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Account {
    namespace: String,
    name: String,
    /// `Discovered`: the list is that of the account's document. `Assumed`: there is none.
    origin: String,
    attributes: Vec<ContractAttribute>,
    /// How many more there are.
    omitted: i64,
}

/// Runs the command.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let found = match &args.place.state {
        Some(folder) => of_folder(args, folder)?,
        None => super::super::block_on(of_cluster(args))?,
    };
    if found.is_empty() {
        messages::hint(
            "there is no integration here; name its namespace with -n, or see all with -A",
        );
    }
    let (mut accounts, mut code) = (Vec::new(), ExitCode::Done);
    for integration in &found {
        if let Some(account) = account(integration) {
            accounts.push(account);
        } else {
            let (state, reason, message) = integration.state();
            let name = integration.name();
            let why = if message.is_empty() { reason } else { message };
            code = ExitCode::ActionNeeded;
            let state = state.word();
            messages::ended(
                code,
                &format!("{name}: what its account takes is not known yet ({state}): {why}"),
            );
        }
    }
    let text = match args.output {
        Output::Table => table(&accounts, text::width()).join("\n"),
        Output::Json => serde_json::to_string_pretty(&accounts).context("cannot write JSON")?,
        Output::Yaml => serde_saphyr::to_string(&accounts).context("cannot write YAML")?,
        Output::Name => names(&accounts).join("\n"),
    };
    if !text.is_empty() {
        print_result(text.trim_end())?;
    }
    let omitted: i64 = accounts.iter().map(|account| account.omitted).sum();
    if omitted > 0 && args.output == Output::Name {
        messages::warn(&format!("{} not listed", count_of(omitted, "more is", "more are")));
    }
    Ok(code)
}

async fn of_cluster(args: &Args) -> anyhow::Result<Vec<Found>> {
    let cluster = Objects::connect(&args.cluster).await?;
    if let Some(target) = &args.target {
        args.list.check_one(target)?;
        return Ok(vec![cluster.named(target, &[Kind::Integration]).await?]);
    }
    let namespace = (!args.list.all_namespaces).then_some(cluster.namespace.as_str());
    cluster.list(Kind::Integration, namespace, args.list.selector.as_deref()).await
}

fn of_folder(args: &Args, folder: &std::path::Path) -> anyhow::Result<Vec<Found>> {
    let namespace = args.cluster.namespace.as_deref();
    if let Some(target) = &args.target {
        return Ok(vec![stored::one(folder, target, Kind::Integration, namespace)?]);
    }
    let mut found = stored::all(folder, namespace)?;
    found.retain(|found| found.kind == Kind::Integration);
    Ok(found)
}

/// What the status says; `None` where the contract was not read yet.
fn account(integration: &Found) -> Option<Account> {
    let contract: ContractStatus = integration.part("/status/contract")?;
    // A status of an earlier version has no attributes.
    if contract.attributes.is_empty() {
        return None;
    }
    Some(Account {
        namespace: integration.key.namespace.clone(),
        name: integration.key.name.clone(),
        origin: contract.origin,
        attributes: contract.attributes,
        omitted: contract.attributes_omitted.unwrap_or_default(),
    })
}

fn names(accounts: &[Account]) -> Vec<String> {
    let all = accounts.iter().flat_map(|account| &account.attributes);
    let mut names: Vec<String> = all.map(|attribute| attribute.name.clone()).collect();
    names.sort();
    names.dedup();
    names
}

fn table(accounts: &[Account], width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for account in accounts {
        if !lines.is_empty() {
            lines.push(String::new());
        }
        let head =
            format!("integration/{} ({}): {}", account.name, account.namespace, origin(account));
        lines.extend(wrapped(&head, "", "  ", width));
        let rows: Vec<[String; 4]> = account.attributes.iter().map(row).collect();
        let widest = |column: usize| {
            rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default()
        };
        let (name, kind, need) = (widest(0), widest(1), widest(2));
        for row in &rows {
            let line =
                format!("  {:<name$}  {:<kind$}  {:<need$}  {}", row[0], row[1], row[2], row[3]);
            lines.push(line.trim_end().to_owned());
        }
        if account.omitted > 0 {
            lines.push(format!("  and {} more, which the status does not list", account.omitted));
        }
    }
    lines
}

/// How much the list says.
fn origin(account: &Account) -> String {
    let all = account.attributes.len() + usize::try_from(account.omitted).unwrap_or_default();
    let is_discovered = account.attributes.iter().any(|one| one.standing == "Discovered");
    if is_discovered {
        format!("{all} attributes, from the OpenAPI document of the account")
    } else {
        "the account publishes no list; these are documented, and any other that a mapping fills is \
         assumed"
            .to_owned()
    }
}

/// Name, type, whether it is required, and where it is known from.
fn row(attribute: &ContractAttribute) -> [String; 4] {
    let kind = attribute.type_.clone().unwrap_or_else(|| "any".to_owned());
    let mut notes = Vec::new();
    notes.extend(attribute.format.clone());
    notes.extend(attribute.max_length.map(|length| format!("at most {length}")));
    let kind = if notes.is_empty() { kind } else { format!("{kind} ({})", notes.join(", ")) };
    let need = if attribute.required { "required" } else { "" };
    [attribute.name.clone(), kind, need.to_owned(), attribute.standing.clone()]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(contract: &serde_json::Value) -> Found {
        let object = json!({
            "metadata": {"name": "clinch", "namespace": "talent"},
            "status": {"contract": contract},
        });
        Found::new(Kind::Integration, object).unwrap()
    }

    #[test]
    fn a_document_is_listed_with_types_and_what_is_required() {
        let account = account(&found(&json!({
            "origin": "Discovered", "attributesOmitted": 7, "attributes": [
                {"name": "email", "type": "String", "format": "email", "maxLength": 254,
                 "required": true, "standing": "Discovered"},
                {"name": "anything", "standing": "Discovered"},
            ],
        })));
        let lines = table(&[account.unwrap()], 80);
        let expected = [
            "integration/clinch (talent): 9 attributes, from the OpenAPI document of the",
            "  account",
            "  email     String (email, at most 254)  required  Discovered",
            "  anything  any                                    Discovered",
            "  and 7 more, which the status does not list",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn an_account_without_a_document_may_take_others() {
        let attributes = json!([{"name": "email", "type": "String", "required": true,
            "standing": "Documented"}]);
        let account =
            account(&found(&json!({"origin": "Assumed", "attributes": attributes}))).unwrap();
        assert_eq!(names(std::slice::from_ref(&account)), ["email"]);
        let text = table(&[account], 80).join(" ");
        assert!(text.contains("publishes no list") && text.contains("Documented"), "{text}");
    }

    #[test]
    fn a_contract_that_was_not_read_is_not_shown_as_empty() {
        assert!(account(&found(&json!(null))).is_none());
        assert!(account(&found(&json!({"origin": "Assumed"}))).is_none());
    }
}
