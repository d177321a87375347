//! What must be so at a Redis server before a node says anything that rests on it.

use std::collections::BTreeMap;

use ::redis::{Connection, cmd};

use super::failed;
use crate::store::StoreError;

/// Oldest version that is used: the first number.
const LEAST_VERSION: u32 = 7;

/// Oldest version that can wait for what its replicas have written: both numbers.
const LEAST_FOR_REPLICAS: (u32, u32) = (7, 2);

/// Settings without which a reply does not mean that something is on the disk, or stays there.
const SETTINGS: [(&str, &str, &str); 4] = [
    ("appendonly", "yes", "otherwise nothing is written between two snapshots"),
    ("appendfsync", "always", "otherwise up to a second is lost when the machine stops"),
    ("no-appendfsync-on-rewrite", "no", "otherwise nothing is synced while the file is rewritten"),
    ("maxmemory-policy", "noeviction", "otherwise records are thrown away when memory is full"),
];

/// Checks a server. `place` is for messages; `asserted` says that the operator vouches for settings that it does not show;
/// `replicas` is how many may be connected, and must be.
pub(super) fn check(
    connection: &mut Connection,
    place: &str,
    asserted: bool,
    replicas: u32,
) -> Result<(), StoreError> {
    let info: String = cmd("INFO").query(connection).map_err(|e| failed(place, "tell its state", &e))?;
    check_info(&info, place, replicas)?;
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
pub(super) fn check_replication(
    connection: &mut Connection,
    place: &str,
    replicas: u32,
) -> Result<(), StoreError> {
    let info: String =
        cmd("INFO").arg("replication").query(connection).map_err(|e| failed(place, "tell its role", &e))?;
    check_role(&fields(&info), place, replicas)
}

/// The part of [`check`] that every server shows.
fn check_info(info: &str, place: &str, replicas: u32) -> Result<(), StoreError> {
    let fields = fields(info);
    let version = fields.get("redis_version").copied().unwrap_or("unknown");
    let mut numbers = version.split('.').map(|number| number.parse::<u32>().ok());
    let major = numbers.next().flatten();
    if major.is_none_or(|major| major < LEAST_VERSION) {
        return Err(unfit(
            place,
            format!("its version is {version}"),
            format!("use Redis {LEAST_VERSION} or newer"),
        ));
    }
    let minor = numbers.next().flatten();
    if replicas > 0 && (major, minor) < (Some(LEAST_FOR_REPLICAS.0), Some(LEAST_FOR_REPLICAS.1)) {
        return Err(unfit(
            place,
            format!("its version is {version}, which cannot wait for what replicas have written"),
            "use Redis 7.2 or newer, or disconnect the replicas and leave `replicas` out of the URL"
                .to_owned(),
        ));
    }
    check_role(&fields, place, replicas)?;
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

fn check_role(fields: &BTreeMap<&str, &str>, place: &str, replicas: u32) -> Result<(), StoreError> {
    if fields.get("role") != Some(&"master") {
        return Err(unfit(place, "it is a replica".to_owned(), "give the address of the master".to_owned()));
    }
    let connected = fields.get("connected_slaves").and_then(|count| count.parse::<u32>().ok());
    match connected {
        Some(connected) if connected == replicas => Ok(()),
        Some(connected) if connected < replicas => Err(lacking(place, connected, replicas)),
        Some(_) | None if replicas > 0 => Err(unfit(
            place,
            "more replicas are connected to it than it waits for".to_owned(),
            format!(
                "one that is promoted may lack what was written last: let the URL say how many there are instead of \
                 replicas={replicas}, or disconnect the others (`replicaof no one` there)"
            ),
        )),
        Some(_) | None => Err(unfit(
            place,
            "replicas are connected to it".to_owned(),
            "a replica that is promoted may lack what was written last, and a node that went back may give its key \
             away: with Redis 7.2 or newer say in the URL how many there are, like ?replicas=1, and every write waits for \
             them; or disconnect them (`replicaof no one` there), and keep copies of the append-only file or `consign \
             backup` instead"
                .to_owned(),
        )),
    }
}

/// Not all replicas have what was written, or are there.
pub(super) fn lacking(place: &str, found: u32, replicas: u32) -> StoreError {
    unfit(
        place,
        format!("{found} of its {replicas} replicas are connected and have written everything"),
        "bring the others back; or, if one of them was promoted or is gone for good, say in the URL how many are left"
            .to_owned(),
    )
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
        check_info(GOOD, "here", 0).unwrap();
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
            let error = check_info(&GOOD.replace(what, instead), "here", 0).unwrap_err();
            assert!(error.is_fatal() && error.to_string().contains(told), "{instead}: {error}");
        }
        check_info(&GOOD.replace("7.0.15", "8.2.1"), "here", 0).unwrap();
        check_info(&GOOD.replace("7.0.15", "10.0.0"), "here", 0).unwrap();
    }
    /// As many replicas as each write waits for, no more and no fewer, and a server that can wait.
    #[test]
    fn replicas_are_taken_by_number() {
        let info = |version: &str, count: &str| {
            let slaves = format!("connected_slaves:{count}");
            GOOD.replace("7.0.15", version).replace("connected_slaves:0", &slaves)
        };
        for version in ["7.2.0", "7.4.1", "8.0.0", "10.1.0"] {
            check_info(&info(version, "2"), "here", 2).unwrap();
        }
        for (version, count, told) in [
            ("7.0.15", "2", "cannot wait"),
            ("7", "2", "cannot wait"),
            ("7.x", "2", "cannot wait"),
            ("7.2.0", "1", "1 of its 2 replicas"),
            ("7.2.0", "0", "0 of its 2 replicas"),
            ("7.2.0", "3", "more replicas"),
            ("7.2.0", "many", "more replicas"),
        ] {
            let error = check_info(&info(version, count), "here", 2).unwrap_err();
            assert!(error.is_fatal() && error.to_string().contains(told), "{version} {count}: {error}");
        }
    }
}
