from tradespace.show.bar.widget import Action, Bar


def bar_of(pressed):
    names = ("undo", "redo")
    return Bar(
        [
            Action(name, name.capitalize(), f"What {name} does", name[0], lambda n=name: pressed.append(n))
            for name in names
        ]
    )


def test_a_browser_gets_what_it_draws_and_no_function():
    assert bar_of([]).actions[0] == {"name": "undo", "text": "Undo", "tooltip": "What undo does", "key": "u"}


def test_only_a_button_that_is_there_and_enabled_does_something():
    pressed = []
    bar = bar_of(pressed)
    bar.disable({"redo"})
    for message in ({"press": "undo"}, {"press": "redo"}, {"press": "close"}, {"press": ["undo"]}, "undo", {}, None):
        bar._handle_custom_msg(message, [])
    assert pressed == ["undo"]


def test_what_is_under_way_goes_out_in_one_message():
    bar, sent = bar_of([]), []
    bar.send_state = lambda key=None: sent.append(set(key))
    bar.tell("measuring", 0.5)
    assert sent == [{"doing", "share"}]
