use super::*;
use crate::server::Step;
use crate::template::Seat;

fn parse_line(line: &str) -> Result<Command, ParseError> {
    parse(line.split(' ').map(OsString::from))
}

fn check_wrong(line: &str, contained: &str) {
    match parse_line(line) {
        Err(ParseError::Wrong(message)) => {
            assert!(
                message.starts_with("error: ") && message.contains(contained),
                "{message}"
            );
            assert!(!message.contains('\n'), "{message}");
        }
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn addresses_are_a_list() {
    let Ok(Command::Idle(arguments)) =
        parse_line("loadtest idle --to 127.0.0.1:1,127.0.0.2:2 -n 5 --secs 0.5")
    else {
        panic!("refused");
    };
    assert_eq!(
        arguments.common.to,
        [
            "127.0.0.1:1".parse().unwrap(),
            "127.0.0.2:2".parse().unwrap()
        ]
    );
    assert_eq!(arguments.common.connections, 5);
    assert_eq!(arguments.common.secs, Some(Duration::from_millis(500)));
    let server = arguments.server.read();
    assert_eq!(
        server.client.path.for_index(3),
        "/ws/?client_id=c3&token=t3"
    );
}

#[test]
fn fanout_speaks_ride_by_default() {
    let Ok(Command::Fanout(arguments)) =
        parse_line("loadtest fanout --to 127.0.0.1:1 -n 5 --backend b:s:t")
    else {
        panic!("refused");
    };
    let parts = arguments.parts().unwrap();
    assert_eq!(
        parts.subscriber.path.for_index(0),
        "/ws/?client_id=driver_0&token=d0"
    );
    assert_eq!(
        parts.publisher.path.for_index(0),
        "/ws/?client_id=b&token=s:t"
    );
    assert_eq!(
        parts.publish.message.expand(0, "1", ""),
        r#"{"flag":"m","target_token":"driver","seq":"1","pad":""}"#
    );
    assert_eq!((arguments.outstanding, arguments.bytes), (8, 128));
}

#[test]
fn options_go_before_the_file_of_a_server() {
    let file = std::env::temp_dir().join(format!("loadtest-server-{}.toml", std::process::id()));
    let text = "[client]\npath = \"/c\"\nhello = [{ send = \"hi\" }]\n[subscriber]\nhello = [{ send = \"sub\" }]\n\
                [publish]\npost = \"/p\"\nbody = \"{seq}\"\n";
    std::fs::write(&file, text).unwrap();
    let line = format!(
        "loadtest fanout --to 127.0.0.1:1 -n 5 --server {} ",
        file.display()
    );
    let parts = |options: &str| match parse_line(&(line.clone() + options)) {
        Ok(Command::Fanout(arguments)) => arguments.parts().unwrap(),
        other => panic!("{options}: {other:?}"),
    };
    let steps = |texts: &[&str]| -> Vec<Step> {
        let step = |text: &&str| Step::Send(Template::new(text));
        texts.iter().map(step).collect()
    };
    let given = parts("--bytes 128");
    assert_eq!(given.subscriber.hello, steps(&["hi", "sub"]));
    assert!(!given.publish.is_by_frames());
    let over = parts("--path /d --subscribe other --message {seq}{pad}");
    assert_eq!(over.subscriber.path.for_index(0), "/d");
    assert_eq!(over.subscriber.hello, steps(&["hi", "other"]));
    assert_eq!(over.publish.message, Template::new("{seq}{pad}"));
    assert!(!over.publish.is_by_frames());
    std::fs::remove_file(&file).unwrap();
    check_wrong(line.trim_end(), "No such file");
    check_wrong(
        "loadtest fanout --to 127.0.0.1:1 -n 5 --backend a:b --publisher-path /",
        "cannot be used with",
    );
}

#[test]
fn unicast_has_a_rate_or_a_closed_loop() {
    let line = "loadtest unicast --to 127.0.0.1:1,127.0.0.1:2 -n 4";
    let Ok(Command::Unicast(arguments)) = parse_line(&format!("{line} --rate 0.5")) else {
        panic!("refused");
    };
    assert_eq!((arguments.rate, arguments.outstanding), (Some(0.5), None));
    assert!(parse_line(&format!("{line} --outstanding 9")).is_ok());
    check_wrong(line, "--rate");
    check_wrong(&format!("{line} --rate 1 --outstanding 9"), "--outstanding");
    // Positions are of the ride dialect.
    let server = concat!(env!("CARGO_MANIFEST_DIR"), "/servers/ws.toml");
    assert!(parse_line(&format!("{line} --rate 1 --server {server}")).is_ok());
    check_wrong(
        &format!("{line} --positions 1 --server {server}"),
        "--server",
    );
}

#[test]
fn chat_has_a_key_and_a_rate_or_a_closed_loop() {
    let line = "loadtest chat --to 127.0.0.1:1 -n 4 --im-key key.pem";
    let Ok(Command::Chat(arguments)) = parse_line(&format!("{line} --outstanding 2")) else {
        panic!("refused");
    };
    assert_eq!((arguments.rate, arguments.outstanding), (None, Some(2)));
    assert_eq!((arguments.first_user, arguments.bytes), (1, 64));
    check_wrong(line, "--rate");
    check_wrong("loadtest chat --to 127.0.0.1:1 -n 4 --rate 1", "--im-key");
}

#[test]
fn echo_pings_ride_by_default() {
    let line = "loadtest echo --to 127.0.0.1:1 -n 4";
    let Ok(Command::Echo(arguments)) = parse_line(&format!("{line} --outstanding 2")) else {
        panic!("refused");
    };
    assert_eq!((arguments.rate, arguments.outstanding), (None, Some(2)));
    let echo = arguments.server.read().echo.unwrap();
    assert_eq!(echo.send.for_index(1), r#"{"flag":"ping"}"#);
    assert_eq!(echo.expect.for_index(1), "pong");
    check_wrong(line, "--rate");
}

#[test]
fn rooms_have_sizes_and_one_kind_of_load() {
    let line = "loadtest room --to 127.0.0.1:1 -n 25";
    let Ok(Command::Room(arguments)) =
        parse_line(&format!("{line} --rooms 2x5,15 --room-rate 0.5"))
    else {
        panic!("refused");
    };
    let size = |rooms, members| Size { rooms, members };
    assert_eq!(arguments.sizes.rooms, [size(2, 5), size(1, 15)]);
    assert_eq!(arguments.publishing.total_rate(3), Some(1.5));
    let (room, _) = arguments.frames.parts().unwrap();
    assert_eq!(room.publisher, room.member);
    assert_eq!(
        room.member.path.for_seat(Seat { index: 7, room: 2 }),
        "/room/load_2/?user=u7"
    );
    check_wrong(line, "--outstanding");
    check_wrong(&format!("{line} --rate 1 --outstanding 1"), "--outstanding");
    check_wrong(&format!("{line} --rate 1 --rooms 3x1"), "ROOMSxMEMBERS");
}

#[test]
fn options_go_before_what_a_file_says_of_rooms() {
    let server = concat!(env!("CARGO_MANIFEST_DIR"), "/servers/ws.toml");
    let line = format!("loadtest room --to 127.0.0.1:1 -n 4 --rate 1 --server {server}");
    let parts = |options: &str| match parse_line(&format!("{line}{options}")) {
        Ok(Command::Room(arguments)) => arguments.frames.parts().unwrap().0,
        other => panic!("{options}: {other:?}"),
    };
    let seat = Seat { index: 3, room: 1 };
    let given = parts("");
    assert_eq!(given.member.path.for_seat(seat), "/sub/room1");
    assert_eq!(given.publisher.path.for_seat(seat), "/pub/room1");
    let over = parts(" --path /r{room}/{i} --subscribe in --message {room}{seq}{pad}");
    for role in [&over.member, &over.publisher] {
        assert_eq!(role.path.for_seat(seat), "/r1/3");
        assert_eq!(role.hello, [Step::Send(Template::new("in"))]);
    }
    let message = over.publish.bind(seat).message;
    assert_eq!(message.expand(0, "s", "p"), "1sp");
}

#[test]
fn slow_and_mixed_have_everything_by_default() {
    let Ok(Command::Slow(arguments)) = parse_line("loadtest slow --to 127.0.0.1:1 -n 50") else {
        panic!("refused");
    };
    assert_eq!((arguments.slow, arguments.resume), (10.0, 50.0));
    let line = "loadtest soak --to 127.0.0.1:1 -n 50 --minutes 2 --shares ride=1,im=3";
    let Ok(Command::Soak(arguments)) = parse_line(line) else {
        panic!("refused");
    };
    assert_eq!(arguments.minutes, Some(Duration::from_secs(120)));
    let shares: Vec<_> = arguments.mixed.shares.iter().map(|it| it.part).collect();
    assert_eq!(shares, [1.0, 3.0]);
    check_wrong("loadtest slow --to 127.0.0.1:1 -n 5 --slow 101", "0 to 100");
    check_wrong(
        "loadtest mixed --to 127.0.0.1:1 -n 5 --shares bus=1",
        "queue",
    );
}

#[test]
fn mistakes_take_one_line() {
    check_wrong("loadtest", "subcommand");
    check_wrong("loadtest idle -n 5", "--to");
    check_wrong("loadtest idle --to nowhere -n 5", "HOST:PORT");
    check_wrong("loadtest idle --to 127.0.0.1:1 -n 0", "above 0");
    check_wrong("loadtest idle --to 127.0.0.1:1 -n 1 --secs=-1", "--secs");
    check_wrong(
        "loadtest fanout --to 127.0.0.1:1 -n 1 --outstanding 0",
        "1 to 65536",
    );
    check_wrong(
        "loadtest fanout --to 127.0.0.1:1 -n 1 --backend x",
        "NAME:SECRET",
    );
    check_wrong(
        "loadtest fanout --to 127.0.0.1:1 -n 1 --frobnicate",
        "--frobnicate",
    );
}

#[test]
fn help_is_no_mistake() {
    assert!(matches!(
        parse_line("loadtest --help"),
        Err(ParseError::Shown(_))
    ));
    assert!(matches!(
        parse_line("loadtest fanout --help"),
        Err(ParseError::Shown(_))
    ));
}

#[test]
fn a_check_has_nodes_and_clients_that_talk() {
    let line = "loadtest check --to 127.0.0.1:1,127.0.0.1:2 --admin 127.0.0.1:3 -n 6 --secs 3";
    let Ok(Command::Check(arguments)) = parse_line(line) else {
        panic!("refused");
    };
    assert_eq!((arguments.to.len(), arguments.admin.len()), (2, 1));
    assert_eq!((arguments.connections, arguments.rate), (6, 200.0));
    assert_eq!(arguments.secs, Duration::from_secs(3));
    check_wrong(
        "loadtest check --to 127.0.0.1:1 --admin 127.0.0.1:2 -n 1",
        "above 1",
    );
    assert_eq!((arguments.key, arguments.durable_rate), (None, 20.0));
    let Ok(Command::Check(arguments)) = parse_line(&format!("{line} --key k --durable-rate 5"))
    else {
        panic!("refused");
    };
    assert_eq!(
        (arguments.key, arguments.durable_rate),
        (ApiKey::new("k"), 5.0)
    );
    check_wrong(&format!("{line} --key é"), "header");
    check_wrong(&format!("{line} --rate 0"), "above 0");
    check_wrong("loadtest check --to 127.0.0.1:1 -n 2", "--admin");
}

#[test]
fn chaos_is_short_or_as_long_as_asked_for() {
    let Ok(Command::Chaos(arguments)) =
        parse_line("loadtest chaos --minutes 0.5 --seed 7 --gateway tidegate")
    else {
        panic!("refused");
    };
    assert_eq!(arguments.minutes, Some(Duration::from_secs(30)));
    assert_eq!((arguments.seed, arguments.nodes), (Some(7), 3));
    assert_eq!(arguments.durable_rate, 20.0);
    assert!(parse_line("loadtest chaos --smoke --gateway tidegate").is_ok());
    assert!(parse_line("loadtest chaos --smoke --gateway tidegate --durable-rate 0").is_ok());
    check_wrong(
        "loadtest chaos --smoke --gateway tidegate --durable-rate=-1",
        "--durable-rate",
    );
    check_wrong("loadtest chaos --gateway tidegate", "--minutes");
    check_wrong(
        "loadtest chaos --smoke --minutes 1 --gateway tidegate",
        "--minutes",
    );
}
