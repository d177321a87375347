//! What must be so at a Redis server before a node says anything that rests on it.

use std::collections::BTreeMap;

use ::redis::{Connection, cmd};

use super::failed;
use crate::store::StoreError;

/// Oldest version that is used.
const LEAST_VERSION: u32 = 7;

/// Settings without which a reply does not mean that something is on the disk, or stays there.
const SETTINGS: [(&str, &str, &str); 4] = [
    ("appendonly", "yes", "otherwise nothing is written between two snapshots"),
    ("appendfsync", "always", "otherwise up to a second is lost when the machine stops"),
    ("no-appendfsync-on-rewrite", "no", "otherwise nothing is synced while the file is rewritten"),
    ("maxmemory-policy", "noeviction", "otherwise records are thrown away when memory is full"),
];

/// Checks a server. `place` is for messages; `asserted` says that the operator vouches for settings that it does not show.
pub(super) fn check(connection: &mut Connection, place: &str, asserted: bool) -> Result<(), StoreError> {
    let info: String = cmd("INFO").query(connection).map_err(|e| failed(place, "tell its state", &e))?;
    check_info(&info, place)?;
    for (name, wanted, why) in SETTINGS {
        // A map would be read from a list of name and value alike.
        let answer: Result<Vec<String>, _> = cmd("CONFIG").arg("GET").arg(name).query(connection);
        match answer {
            Ok(pair) if pair.get(1).is_some_and(|value| value == wanted) => {}
            Ok(pair) if pair.len() >= 2 => {
                let found = pair.get(1).cloned().unwrap_or_default();
                return Err(unfit(
                    place,
                    format!("{name} is `{found}`"),
                    format!("set `{name} {wanted}` in its redis.conf ({why}) and restart it"),
                ));
            }
            // Lost connections are no answer; refusals and empty ones are.
            Err(error) if error.is_io_error() => return Err(failed(place, "show its settings", &error)),
            Ok(_) | Err(_) if asserted => {}
            Ok(_) | Err(_) => {
                return Err(unfit(
                    place,
                    format!("it does not show the setting {name}"),
                    "allow CONFIG GET; or see for yourself that `appendonly yes`, `appendfsync always`, \
                     `no-appendfsync-on-rewrite no` and `maxmemory-policy noeviction` are set, and say so with \
                     --assert-redis-settings"
                        .to_owned(),
                ));
            }
        }
    }
    Ok(())
}

/// The role of a server, told again and again while a node runs: a replica that was connected since could be promoted, and
/// would not have what was written last.
pub(super) fn check_replication(connection: &mut Connection, place: &str) -> Result<(), StoreError> {
    let info: String =
        cmd("INFO").arg("replication").query(connection).map_err(|e| failed(place, "tell its role", &e))?;
    check_role(&fields(&info), place)
}

/// The part of [`check`] that every server shows.
fn check_info(info: &str, place: &str) -> Result<(), StoreError> {
    let fields = fields(info);
    let version = fields.get("redis_version").copied().unwrap_or("unknown");
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_none_or(|major| major < LEAST_VERSION) {
        return Err(unfit(
            place,
            format!("its version is {version}"),
            format!("use Redis {LEAST_VERSION} or newer"),
        ));
    }
    check_role(&fields, place)?;
    if fields.get("loading") == Some(&"1") {
        return Err(unfit(
            place,
            "it is still reading its files".to_owned(),
            "start the node again in a moment".to_owned(),
        ));
    }
    if fields.get("aof_enabled") != Some(&"1") {
        return Err(unfit(
            place,
            "it writes no append-only file".to_owned(),
            "set `appendonly yes` and `appendfsync always` in its redis.conf and restart it".to_owned(),
        ));
    }
    if fields.get("aof_last_write_status").is_some_and(|status| *status != "ok") {
        return Err(unfit(
            place,
            "it could not write its append-only file".to_owned(),
            "see to its disk first".to_owned(),
        ));
    }
    Ok(())
}

fn check_role(fields: &BTreeMap<&str, &str>, place: &str) -> Result<(), StoreError> {
    if fields.get("role") != Some(&"master") {
        return Err(unfit(place, "it is a replica".to_owned(), "give the address of the master".to_owned()));
    }
    if fields.get("connected_slaves") != Some(&"0") {
        return Err(unfit(
            place,
            "replicas are connected to it".to_owned(),
            "a replica that is promoted may lack what was written last, and a node that went back may give its key \
             away: disconnect them (`replicaof no one` there), and keep copies of the append-only file or `consign \
             backup` instead"
                .to_owned(),
        ));
    }
    Ok(())
}

/// Lines of the form `name:value`.
fn fields(info: &str) -> BTreeMap<&str, &str> {
    info.lines().filter_map(|line| line.trim_end().split_once(':')).collect()
}

fn unfit(place: &str, found: String, wanted: String) -> StoreError {
    StoreError::UnfitServer { place: place.to_owned(), found, wanted }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "# Server\r\nredis_version:7.0.15\r\n# Persistence\r\naof_enabled:1\r\naof_last_write_status:ok\r\n\
                        # Replication\r\nrole:master\r\nconnected_slaves:0\r\n";

    #[test]
    fn what_a_server_says_of_itself_decides() {
        check_info(GOOD, "here").unwrap();
        for (what, instead, told) in [
            ("redis_version:7.0.15", "redis_version:6.2.9", "its version is 6.2.9"),
            ("redis_version:7.0.15", "redis_version:soon", "its version is soon"),
            ("redis_version:7.0.15", "x:y", "its version is unknown"),
            ("aof_enabled:1", "loading:1", "still reading"),
            ("aof_enabled:1", "aof_enabled:0", "append-only file"),
            ("aof_enabled:1", "x:y", "append-only file"),
            ("aof_last_write_status:ok", "aof_last_write_status:err", "could not write"),
            ("role:master", "role:slave", "it is a replica"),
            ("role:master", "x:y", "it is a replica"),
            ("connected_slaves:0", "connected_slaves:1", "replicas are connected"),
            ("connected_slaves:0", "x:y", "replicas are connected"),
        ] {
            let error = check_info(&GOOD.replace(what, instead), "here").unwrap_err();
            assert!(error.is_fatal() && error.to_string().contains(told), "{instead}: {error}");
        }
        check_info(&GOOD.replace("7.0.15", "8.2.1"), "here").unwrap();
        check_info(&GOOD.replace("7.0.15", "10.0.0"), "here").unwrap();
    }
}
