"""The drawing of the Wave-U-Net (Wave-U-Net paper, Fig. 1)."""

from Models.Drawing import GAP, Box, ModelSheet

BLOCKS = {"convolution": ("convolution", "conv"), "multires": ("MultiRes", "activation")}


def draw_network(sheet: ModelSheet) -> None:
    """Draw a Wave-U-Net.

    Each level is a row. The units of Res paths are columns between encoder and decoder.
    """
    settings = sheet.settings
    units = settings.res_path_units if settings.res_path_levels else 0
    right = max(2, 1 + units + settings.context)  # in context mode the labels need a column
    mix = sheet.draw_layers("mix", "mix", "", 0, 0)
    joined = sheet.draw_layers("output_concat", "mix beside the features", "", right, 0)
    draw_skip(sheet, "skip_mix", [mix, joined], "output_crop_mix")
    down, up = [mix], [joined]
    levels = range(1, settings.num_layers + 1)
    for level in levels:
        down.append(draw_level(sheet, "encoder", level, 0, "decimate"))
        up.append(draw_level(sheet, "decoder", level, right, "upsample"))
        kind, name = settings.skip(level), f"skip_{level:02d}"
        path = [
            sheet.draw_layers(
                f"{name}_unit{unit}", f"Res path {level} · unit {unit}", "activation", unit, level
            )
            for unit in range(1, units + 1)
            if kind == "res_path"
        ]
        if kind != "none":
            draw_skip(sheet, name, [down[-1], *path, up[-1]], f"{name}_crop")
    title = "bottleneck · convolution"
    sheet.draw_u(
        down, sheet.draw_layers("bottleneck", title, "conv", right / 2, len(levels) + 1), up
    )
    draw_outputs(sheet, joined, right + 1)


def draw_level(sheet: ModelSheet, part: str, level: int, column: float, change: str) -> Box:
    """Draw the box of a level and the output shape of its decimation or upsampling.

    Parameters
    ----------
    sheet : ModelSheet
        The sheet.
    part : str
        'encoder' or 'decoder'.
    level : int
        The level, which is also the row.
    column : float
        The column of the box.
    change : str
        The role of the layer whose output shape is written below the box: 'decimate' or 'upsample'.

    Returns
    -------
    Box
        The box that was drawn.
    """
    kind, role = BLOCKS[sheet.settings.block(level)]
    name = f"{part}_{level:02d}"
    box = sheet.draw_layers(name, f"{part} {level} · {kind}", role, column, level)
    x, y = box.point_at(0.5, 1)
    sheet.draw_shape((x + 9, y + 16), f"{change}d to", f"{name}_{change}")
    return box


def draw_skip(sheet: ModelSheet, name: str, stops: list[Box], crop: str) -> None:
    """Draw a skip and the output shape of its crop layer, if there is one.

    Parameters
    ----------
    sheet : ModelSheet
        The sheet.
    name : str
        The CSS class of the arrows.
    stops : list of Box
        The boxes that the skip connects, from left to right.
    crop : str
        The name of the crop layer.
    """
    sheet.draw_arrows(name, stops)
    x, y = stops[-1].point_at(0, 0.5)
    sheet.draw_shape((x - 34, y - 5), "cropped to", crop, "label end")


def draw_outputs(sheet: ModelSheet, joined: Box, column: int) -> None:
    """Draw a box per source.

    With the difference output, the box of the last source has arrows from the mix and from the
    other sources.

    Parameters
    ----------
    sheet : ModelSheet
        The sheet.
    joined : Box
        The box of the last features.
    column : int
        The column of the boxes.
    """
    estimated = []
    for row, source in enumerate(sheet.settings.sources):
        name = f"output_{source}"
        if f"{name}_difference" not in sheet.layers:
            title = f"{source} · convolution"
            estimated.append(sheet.draw_layers(name, title, "conv", column, row))
            continue
        title = f"{source} · mix − the others"
        x, y = sheet.draw_layers(name, title, "difference", column, row).point_at(1, 0.5)
        turn, over = x + GAP / 2, joined.y - 14
        left, height = joined.point_at(0, 0.5)
        before = left - 24
        sheet.draw_arrow((before, height), (before, over), (turn, over), (turn, y), (x, y))
        for other in estimated:
            side = other.point_at(1, 0.5)
            sheet.draw_arrow(side, (turn, side[1]), look="line")
    sheet.draw_fan(joined, estimated)
