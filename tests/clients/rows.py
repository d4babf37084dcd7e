"""The compatibility list: fifty behaviours that clients depend on, by their numbers.

Owns: the numbers, what each row says, and which tests elsewhere in the suite answer it too. Must
not know: clients, which tests name themselves (``known.row``), or results.
"""

from collections.abc import Mapping
from dataclasses import dataclass

_EDITS = "tests/e2e/test_edits.py"
_HANG_UPS = "tests/e2e/test_hang_ups.py"
_PAGES = "tests/e2e/test_pages.py"
_REJOINING = "tests/e2e/test_rejoining.py"
_STREAMING = "tests/openai/test_streaming.py"
_CORS = "tests/openai/test_cors.py"
_KEEPALIVE = "tests/openai/test_keepalive.py"


@dataclass(frozen=True, slots=True)
class Row:
    """One behaviour; ``elsewhere`` are tests of the suite's own, not of this folder."""

    behaviour: str
    elsewhere: tuple[str, ...] = ()


ROWS: Mapping[int, Row] = {
    1: Row("A prompt is enough"),
    2: Row("Default format: bytes for gpt-image names"),
    3: Row("Default format: a link for dall-e names and for none"),
    4: Row("`response_format=url` is honoured for new models"),
    5: Row("`response_format=b64_json` brings no link"),
    6: Row("Links: with and without a key, private hosts, an image's ending and type"),
    7: Row("Nulls and empty values are no values"),
    8: Row("Parameters of old models are taken"),
    9: Row("Small squares of old models are made"),
    10: Row("Unknown parameters: passed over, or 400 where strict"),
    11: Row("Sizes are judged by arithmetic"),
    12: Row("`n` from 1 to 10, also as a word; 11 is 400"),
    13: Row("Pictures to edit, one or several, under every field name"),
    14: Row("Pictures are known by their bytes, whatever type is told"),
    15: Row(
        "A large part without a file name is a picture",
        (
            f"{_EDITS}::test_java_names_no_file_and_offers_another_protocol",
            "tests/openai/test_requests.py::test_java_without_a_file_name_and_two_megabytes",
        ),
    ),
    16: Row("Masks are handed on, and have to fit"),
    17: Row("Edits in JSON: addresses, data URLs, a clean 400 for file ids; 16 and not 17"),
    18: Row("What is no picture is 400"),
    19: Row("Variations"),
    20: Row("Strict clients can read every answer"),
    21: Row("Status 200 exactly, and JSON by its type"),
    22: Row("Tokens: integers that add up, by the table"),
    23: Row("What is told of a picture is true of it"),
    24: Row("A generation is streamed"),
    25: Row("An edit is streamed"),
    26: Row(
        "Streams begin at once, and are kept alive by comments",
        (f"{_STREAMING}::test_the_first_byte_comes_at_once_and_a_comment_every_ten_seconds",),
    ),
    27: Row("A failure amid a stream is raised"),
    28: Row("A failure before a stream is an error with its status"),
    29: Row("Who would accept a stream and asks for none gets JSON"),
    30: Row("Errors: the envelope, and each client's own classes"),
    31: Row("A wrong key is 401 everywhere, and told once"),
    32: Row("Moderation is 400, bought once, not tried again"),
    33: Row("A failure after the purchase is not bought again, whoever asks again"),
    34: Row("A refusal for the moment is worth a repetition"),
    35: Row(
        "Repetitions after time-outs join what was begun",
        (f"{_HANG_UPS}::test_who_comes_back_after_a_time_out_gets_what_was_paid_for",),
    ),
    36: Row(
        "`Idempotency-Key` is honoured; another body is 422",
        (f"{_REJOINING}::test_a_key_for_another_request_is_refused",),
    ),
    37: Row(
        "Who hangs up neither ends nor doubles the task",
        (f"{_HANG_UPS}::test_many_leave_at_many_moments_and_each_wish_is_bought_once",),
    ),
    38: Row("More than 300 s: asking again, or a stream"),
    39: Row("Models are listed and looked up; one that is not there is 404"),
    40: Row("Every way to write the base URL; Azure's paths and header"),
    41: Row(
        "Unknown paths and wrong methods, in the envelope",
        (f"{_PAGES}::test_other_paths_and_methods_get_openais_envelope",),
    ),
    42: Row(
        "Pages of other origins, the question before included",
        (f"{_CORS}::test_a_page_may_be_let_into_a_private_network",),
    ),
    43: Row("`x-request-id` everywhere, as the client's own"),
    44: Row(
        "Bodies have bounds: 413 in JSON, chunked ones too",
        (
            f"{_HANG_UPS}::test_a_chunked_body_is_refused_once_it_is_too_large",
            f"{_HANG_UPS}::test_a_chunked_edit_beyond_the_bound_leaves_nothing_on_disk",
        ),
    ),
    45: Row(
        "`Expect: 100-continue`",
        (f"{_HANG_UPS}::test_a_caller_who_waits_to_be_told_is_told_to_go_on",),
    ),
    46: Row(
        "JSON under other types, or none",
        ("tests/openai/test_requests.py::test_json_is_read_under_every_name_it_travels_by",),
    ),
    47: Row("Output formats are what they are called"),
    48: Row("A new caller is served while two hundred wait"),
    49: Row(
        "Blanks before a late answer are read over; a late failure is no answer",
        (f"{_KEEPALIVE}::test_a_late_failure_says_nothing_and_never_ends_the_body",),
    ),
    50: Row("`safety_identifier` and `user` are told back"),
}
