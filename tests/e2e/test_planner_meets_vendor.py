"""Two readings of the vendor's page, held against each other: whatever the planner accepts, the
simulated vendor sells, at the pixels that were promised; and those come out at the far end.
"""

import json
from typing import Any

import openai
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.errors import InvalidRequest
from gateway.simulator.orders import Order, offered, read_order
from gateway.simulator.settings import Settings
from gateway.translate.model import FORMATS, ImageRequest, ModelCard, Picture, RemotePicture
from gateway.translate.plan import Rules, make_plan
from gateway.translate.sizes import TABLE
from gateway.upstream.wire import wire_body
from tests.e2e.pictures import pictures_of
from tests.e2e.stand import Stand

TABLE_SIZES = [pixels for row in TABLE.values() for pixels in row]


def words(pixels: tuple[int, int]) -> str:
    return f"{pixels[0]}x{pixels[1]}"


def narrower(pixels: tuple[int, int], by: int) -> str:
    return words((pixels[0] - by, pixels[1]))


EDGES = st.integers(1, 4200)
SIZES = st.one_of(
    st.none(),
    st.just("auto"),
    st.sampled_from(list(TABLE)),
    st.sampled_from(TABLE_SIZES).map(words),
    st.tuples(EDGES, EDGES).map(words),
    st.builds(narrower, st.sampled_from(TABLE_SIZES), st.integers(0, 40)),
)
PICTURES = st.builds(
    lambda n, alpha: Picture(f"/{n}", f"{n:064x}", "image/png", 64 + n, 64, 999, alpha=alpha),
    st.integers(0, 20),
    st.booleans(),
)
REMOTE = st.integers(0, 20).map(lambda n: RemotePicture(f"https://example.com/{n}.png?a=b&c=%20"))
PROMPTS = st.text(min_size=1, max_size=200).filter(str.strip)


@st.composite
def requests(draw: st.DrawFn) -> ImageRequest:
    edit = draw(st.booleans())
    references = draw(st.lists(PICTURES | REMOTE, min_size=1, max_size=16)) if edit else []
    mask = draw(st.none() | PICTURES) if references else None
    return ImageRequest(
        kind="edit" if edit else "generation",
        prompt=draw(PROMPTS),
        requested_model=draw(st.sampled_from([None, "gpt-image-2", "dall-e-3", "gpt-image-77"])),
        n=draw(st.integers(1, 10)),
        size=draw(SIZES),
        resolution=draw(st.sampled_from([None, "1k", "2k", "4k"])),
        quality=draw(st.sampled_from([None, "auto", "low", "medium", "high", "hd", "standard"])),
        background=draw(st.sampled_from([None, "auto", "opaque", "transparent"])),
        output_format=draw(st.sampled_from([None, *FORMATS])),
        output_compression=draw(st.none() | st.integers(0, 100)),
        references=tuple(references),
        mask=mask,
    )


@st.composite
def rules(draw: st.DrawFn) -> Rules:
    card = ModelCard(
        name="gpt-image-2",
        upstream_model=draw(st.sampled_from(["gpt-image-1.5-official", "gpt-image-2-official"])),
        aliases=("dall-e-3",),
        extended_sizes=draw(st.booleans()),
        max_images_per_task=draw(st.integers(1, 10)),
        backgrounds=draw(st.sampled_from([(), ("opaque",), ("opaque", "transparent")])),
    )
    return Rules(
        models={card.name: card},
        default_model=card.name,
        sizes=draw(st.sampled_from(["exact", "nearest", "strict"])),
        strict=draw(st.booleans()),
    )


def sold(body: dict[str, object], *, extended: bool) -> Order:
    """What the vendor understands of a body; Refused where it would refuse."""
    return read_order(json.loads(json.dumps(body)), Settings(extended_sizes=extended))


@settings(max_examples=120)
@given(request=requests(), by=rules())
def test_whatever_the_planner_accepts_the_vendor_sells(request: ImageRequest, by: Rules) -> None:
    try:
        plan = make_plan(request, by)
    except InvalidRequest as refused:
        assert refused.param in {"size", "resolution", "quality", "background"}
        return
    extended = by.models["gpt-image-2"].extended_sizes
    pictures = (*request.references, *([request.mask] if request.mask else []))
    links = {
        one: one.url if isinstance(one, RemotePicture) else f"https://files.test/{one.digest}.png"
        for one in pictures
    }
    made = 0
    for place, task in enumerate(plan.tasks):
        order = sold(wire_body(task, links, f"task_{place}"), extended=extended)
        made += order.n
        assert order.prompt == request.prompt
        assert order.client_business_id == f"task_{place}"
        assert (order.tier, order.quality) == (plan.tier, plan.quality)
        assert order.image_urls == tuple(links[one] for one in request.references)
        assert (order.mask_url is None) is (request.mask is None)
        _covers(order, plan.bought, plan.promised, extended=extended)
        if plan.finish.format == "jpeg" and plan.bought == plan.promised:
            assert (order.output_format, order.compression) == (
                "jpeg",
                100 if request.output_compression is None else request.output_compression,
            )
        else:
            assert order.output_format == "png"
    assert made == plan.n == request.n


def _covers(order: Order, bought: Any, promised: Any, *, extended: bool) -> None:
    """The vendor makes what the plan says, and that is enough for what was promised."""
    if bought is None:
        assert order.ratio == "auto"
        assert promised is None
        return
    assert offered(order.tier, extended=extended)[order.ratio] == bought
    assert bought[0] >= promised[0]
    assert bought[1] >= promised[1]


SMALL_SIZES = [pixels for pixels in TABLE_SIZES if pixels[0] * pixels[1] < 1.2e6]
SMALL_EDGES = st.integers(16, 1400)
WISHES = st.fixed_dictionaries(
    {
        "size": st.one_of(
            st.tuples(SMALL_EDGES, SMALL_EDGES).map(words),
            st.sampled_from(SMALL_SIZES).map(words),
            st.sampled_from(["1:1", "4:3", "3:4", "auto"]),
        ),
        "output_format": st.sampled_from(FORMATS),
        "n": st.sampled_from([1, 1, 1, 2]),
    }
)


@settings(max_examples=12)
@given(wish=WISHES)
@example(wish={"size": "16x16", "output_format": "webp", "n": 1})
@example(wish={"size": "17x51", "output_format": "jpeg", "n": 1})
@example(wish={"size": "1399x467", "output_format": "png", "n": 1})
async def test_the_picture_that_comes_out_is_the_one_that_was_promised(
    stand: Stand, wish: dict[str, Any]
) -> None:
    before = stand.images_bought
    by = Rules(models={"gpt-image-2": ModelCard("gpt-image-2", "x")}, default_model="gpt-image-2")
    request = ImageRequest("generation", "a cat", requested_model="gpt-image-2", **wish)
    try:
        promised = make_plan(request, by).promised
    except InvalidRequest:
        promised = (0, 0)
    async with stand.client() as client:
        try:
            raw = await client.images.with_raw_response.generate(
                model="gpt-image-2", prompt="a cat", quality="low", **wish
            )
        except openai.BadRequestError as error:
            assert promised == (0, 0)
            assert error.param == "size"
            assert stand.images_bought == before
            return
    result = raw.parse()
    pictures = pictures_of(result)
    assert len(pictures) == wish["n"] == stand.images_bought - before
    for picture in pictures:
        assert words(picture.size) == result.size
        assert promised is None or picture.size == promised
        assert picture.format == wish["output_format"].upper()
        assert picture.mode == "RGB"
    assert result.output_format == wish["output_format"]
    told = raw.headers.get("x-gateway-notes", "")
    assert bool(told) is (promised is not None and promised not in TABLE_SIZES)
